//! Values of the settings of metrics.

use std::str::FromStr;

/// Upper bounds of a histogram's buckets: finite, positive and strictly increasing.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets(Vec<f64>);

impl Buckets {
    /// Returns the bounds in increasing order.
    pub fn bounds(&self) -> &[f64] {
        &self.0
    }
}

impl FromStr for Buckets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bounds = text
            .split(',')
            .map(|bound| bound.trim().parse::<f64>().map_err(|_| format!("`{bound}` is not a number")))
            .collect::<Result<Vec<_>, _>>()?;
        let is_increasing = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !is_increasing || bounds.iter().any(|bound| !bound.is_finite() || *bound <= 0.0) {
            return Err("buckets must be positive and strictly increasing".to_owned());
        }
        Ok(Self(bounds))
    }
}

/// GraphQL operation names that become metric labels. Their number is limited, because a metric may have at
/// most 2,000 series.
#[derive(Clone, Debug)]
pub struct OperationNames(Vec<String>);

impl OperationNames {
    /// Maximum number of names. A metric overflows at 2,000 series: 12 for unnamed operations, 6 for all
    /// other names, and 6 for each listed name (three operation types, each ok or error).
    pub const MAX_NAMES: usize = (2000 - 12 - 6) / 6;

    /// Returns the names in the order given.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for OperationNames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.len() > Self::MAX_NAMES {
            return Err(format!("{} names given, but at most {} are allowed", names.len(), Self::MAX_NAMES));
        }
        Ok(Self(names))
    }
}
