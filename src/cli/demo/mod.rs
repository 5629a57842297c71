//! `stockmeter --demo`: a server with example products in a temporary database.

use std::net::SocketAddr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;
use tracing::info;

use super::database::{Schema, with_store};
use crate::{catalog::Catalog, config::Config, domain::OnConflict, formats::json, server};

/// The products of Microsoft's Northwind sample database (MS-PL).
const PRODUCTS: &str = include_str!("data/northwind-products.json");

/// A temporary database, which is deleted when this value is dropped.
#[derive(Debug)]
pub struct Demo {
    _folder: TempDir,
    products: usize,
}

impl Demo {
    /// Creates a database with the products, and makes it the one of the configuration.
    ///
    /// # Errors
    /// Returns a message if the database cannot be created.
    pub async fn create(config: &mut Config) -> Result<Self, String> {
        let folder = tempfile::tempdir()
            .map_err(|error| format!("cannot create a temporary folder: {error}; check TMPDIR"))?;
        let file = folder.path().join("demo.db");
        let file = file.to_str().ok_or("the name of the temporary folder is not UTF-8; check TMPDIR")?;
        let url = format!("sqlite://{}", utf8_percent_encode(file, NON_ALPHANUMERIC));
        config.database_url = url.as_str().into();
        let url = server::database_url(config).map_err(|error| error.to_string())?;
        let products = json::parse_array(PRODUCTS).map_err(|error| error.to_string())?;
        let products = products.finish().map_err(|error| error.to_string())?;
        let count = products.len();
        with_store(url, config, Schema::Migrate, async |store| {
            let catalog = Catalog::new(store.clone(), server::catalog_options(config));
            catalog.create_many(products, OnConflict::Reject).await.map(drop)
        })
        .await?;
        Ok(Self { _folder: folder, products: count })
    }

    /// Says what there is to see.
    pub fn announce(&self, address: SocketAddr) {
        info!(
            %address,
            products = self.products,
            "demo with a temporary database: open http://{address}/ in a browser, or GET http://{address}/products"
        );
    }
}
