//! What is in the catalog, and who follows it.

use std::time::Duration;

use opentelemetry::metrics::{Gauge, Meter};

use super::{gauge, names};

/// The gauges of the catalog, refreshed in the background: a scrape never asks the database.
#[derive(Clone, Debug)]
pub struct CatalogMetrics {
    products: Gauge<u64>,
    stock: Gauge<u64>,
    change_lag: Gauge<u64>,
}

impl CatalogMetrics {
    /// Gauges; that of the subscribers is read at each scrape.
    pub fn new(meter: &Meter, subscribers: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        meter
            .u64_observable_gauge(names::SUBSCRIPTIONS_ACTIVE)
            .with_description("Subscribers to changes of products, by GraphQL or REST")
            .with_callback(move |observer| observer.observe(subscribers() as u64, &[]))
            .build();
        Self {
            products: gauge(meter, names::CATALOG_PRODUCTS, "", "Products in the catalog"),
            stock: gauge(meter, names::CATALOG_STOCK_ITEMS, "", "Pieces in stock, all products together"),
            change_lag: gauge(
                meter,
                names::CATALOG_CHANGES_DELAY,
                "s",
                "Age of the oldest change that subscribers can't be told yet",
            ),
        }
    }

    /// Takes the age of the oldest change that waits.
    pub fn record_change_lag(&self, age: Duration) {
        self.change_lag.record(age.as_secs(), &[]);
    }

    /// Takes the values of now.
    pub fn record(&self, products: u64, stock: u64) {
        self.products.record(products, &[]);
        self.stock.record(stock, &[]);
    }
}
