//! Pages of a listing.

use std::sync::Arc;

use super::Catalog;
use crate::domain::{Error, Listing, Page, PageRequest, Product, ReadFrom};

/// Properties that determine a page. Equal keys have equal results.
pub(super) type PageKey = (Listing, PageRequest, ReadFrom);

impl Catalog {
    /// Returns a page. Concurrent requests for the same page may share one query.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn page(&self, listing: &Listing, request: PageRequest) -> Result<Arc<Page>, Error> {
        let from = self.read_from().await;
        let store = self.inner.store.clone();
        let read = move |(listing, request, from): PageKey| {
            let store = store.clone();
            async move {
                let products = store.page(&listing, &request, from).await?;
                Ok(Arc::new(page(products, &request)))
            }
        };
        self.inner.batches.pages.get((listing.clone(), request, from), read).await
    }
}

/// Returns the page of these products, which are in the order of reading and may include the one after the
/// page.
fn page(mut products: Vec<Product>, request: &PageRequest) -> Page {
    let size = usize::try_from(request.size).unwrap_or(usize::MAX);
    let has_more = products.len() > size;
    products.truncate(size);
    // A cursor refers to a product outside the page, so the list continues on that side.
    if request.from_end {
        products.reverse();
        Page { products, has_next: request.before.is_some(), has_previous: has_more }
    } else {
        Page { products, has_next: has_more, has_previous: request.after.is_some() }
    }
}
