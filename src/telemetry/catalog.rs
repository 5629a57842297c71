//! Metrics of the catalog and its subscribers.

use std::time::Duration;

use opentelemetry::metrics::{Gauge, Meter};

use super::{gauge, names};

/// Gauges updated by a background task, so that a scrape never queries the database.
#[derive(Clone, Debug)]
pub struct CatalogMetrics {
    products: Gauge<u64>,
    stock: Gauge<u64>,
    change_lag: Gauge<u64>,
}

impl CatalogMetrics {
    /// Registers the gauges. `subscribers` is called at each scrape and returns the number of subscribers.
    pub fn new(meter: &Meter, subscribers: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        meter
            .u64_observable_gauge(names::SUBSCRIPTIONS_ACTIVE)
            .with_description("Subscribers to product changes, over GraphQL or REST")
            .with_callback(move |observer| observer.observe(subscribers() as u64, &[]))
            .build();
        Self {
            products: gauge(meter, names::CATALOG_PRODUCTS, "", "Products in the catalog"),
            stock: gauge(meter, names::CATALOG_STOCK_ITEMS, "", "Items in stock, summed over all products"),
            change_lag: gauge(
                meter,
                names::CATALOG_CHANGES_DELAY,
                "s",
                "Age of the oldest unpublished change",
            ),
        }
    }

    /// Records the age of the oldest unpublished change.
    pub fn record_change_lag(&self, age: Duration) {
        self.change_lag.record(age.as_secs(), &[]);
    }

    /// Records the number of products and of items in stock.
    pub fn record(&self, products: u64, stock: u64) {
        self.products.record(products, &[]);
        self.stock.record(stock, &[]);
    }
}
