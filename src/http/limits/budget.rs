//! An amount of something that all clients share: bytes, permits or connections.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Limit, Party, holder};
use crate::{http::problem::Problem, request_context};

/// Number of counters of shares. Holders are distributed over them by a random hash, which needs neither a lock nor
/// an allocation and has bounded memory. Two holders rarely have the same counter, and then share one share.
const COUNTERS: usize = 4096;

/// Amount that all clients share, and the largest share of one of them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: Limit,
    total: u64,
    reserved: AtomicU64,
    share: u64,
    reserved_by_holder: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// Part of a budget. It returns to the budget when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    amount: u64,
    /// Index of the holder's counter, or `None` if the holder's share is not limited.
    counter: Option<usize>,
}

impl Budget {
    /// Creates a budget, of which one holder can have `share`.
    pub fn new(limit: Limit, total: u64, share: u64) -> Self {
        let reserved_by_holder = (0..COUNTERS).map(|_| AtomicU64::new(0)).collect();
        let hasher = RandomState::new();
        Self(Arc::new(Inner { limit, total, reserved: AtomicU64::new(0), share, reserved_by_holder, hasher }))
    }

    /// Creates a budget, of which one caller can have a quarter, at least 1.
    pub fn with_quarters(limit: Limit, total: u64) -> Self {
        Self::new(limit, total, (total / 4).max(1))
    }

    /// Returns the largest share of one holder.
    pub fn share(&self) -> u64 {
        self.0.share
    }

    /// Reserves one for the caller of the current request.
    ///
    /// # Errors
    /// Returns a 503 problem if the budget, or the caller's share of it, is used up.
    pub fn reserve_one(&self) -> Result<Reservation, Problem> {
        let mut reservation = self.reservation();
        reservation.grow(1)?;
        Ok(reservation)
    }

    /// Returns an empty reservation for the caller of the current request.
    pub fn reservation(&self) -> Reservation {
        let counter = |caller: Option<&_>, address| Some(self.counter(&holder::of_caller(caller, address)?));
        Reservation {
            budget: self.clone(),
            amount: 0,
            counter: request_context::with_caller(counter).flatten(),
        }
    }

    /// Reserves one for the network of an address; for `None`, without the limit of a share.
    ///
    /// # Errors
    /// Returns a 503 problem if the budget, or the network's share of it, is used up.
    pub fn reserve_for_network(&self, address: Option<IpAddr>) -> Result<Reservation, Problem> {
        let counter = address.map(|address| self.counter(&holder::of_address(address)));
        let mut reservation = Reservation { budget: self.clone(), amount: 0, counter };
        reservation.grow(1)?;
        Ok(reservation)
    }

    fn counter(&self, holder: &impl Hash) -> usize {
        // The remainder is below the number of counters.
        usize::try_from(self.0.hasher.hash_one(holder) % COUNTERS as u64).unwrap_or(0)
    }
}

impl Reservation {
    /// Reserves a further amount.
    ///
    /// # Errors
    /// Returns a 503 problem if the budget, or the caller's share of it, has less left. The reservation stays as it is.
    pub fn grow(&mut self, amount: u64) -> Result<(), Problem> {
        let Inner { limit, total, reserved, share, reserved_by_holder, .. } = &*self.budget.0;
        if !add(reserved, amount, *total) {
            return Err(limit.reject(Party::Everyone));
        }
        if let Some(counter) = self.counter
            && !add(&reserved_by_holder[counter], amount, *share)
        {
            reserved.fetch_sub(amount, Ordering::Relaxed);
            return Err(limit.reject(Party::Caller));
        }
        self.amount += amount;
        Ok(())
    }

    /// Reserves a further amount, even if the budget or the share has less left.
    pub fn exceed(&mut self, amount: u64) {
        let Inner { reserved, reserved_by_holder, .. } = &*self.budget.0;
        reserved.fetch_add(amount, Ordering::Relaxed);
        if let Some(counter) = self.counter {
            reserved_by_holder[counter].fetch_add(amount, Ordering::Relaxed);
        }
        self.amount += amount;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Inner { reserved, reserved_by_holder, .. } = &*self.budget.0;
        reserved.fetch_sub(self.amount, Ordering::Relaxed);
        if let Some(counter) = self.counter {
            reserved_by_holder[counter].fetch_sub(self.amount, Ordering::Relaxed);
        }
    }
}

/// Adds an amount, unless the sum would exceed the maximum. Returns whether it did.
fn add(counter: &AtomicU64, amount: u64, maximum: u64) -> bool {
    let add = |count: u64| count.checked_add(amount).filter(|sum| *sum <= maximum);
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_return_to_the_budget() {
        let budget = Budget::with_quarters(Limit::Bodies, 10);
        let (mut first, mut second) = (budget.reservation(), budget.reservation());
        assert!(first.grow(6).is_ok() && second.grow(5).is_err() && second.grow(4).is_ok());
        drop(first);
        assert!(second.grow(6).is_ok() && second.grow(u64::MAX).is_err());
    }

    #[test]
    fn a_network_has_a_share() {
        let budget = Budget::with_quarters(Limit::Connections, 8);
        let reserve = |address: &str| budget.reserve_for_network(Some(address.parse().unwrap()));
        let _held = [reserve("2001:db8::1").unwrap(), reserve("2001:db8::2").unwrap()];
        assert!(reserve("2001:db8::3").is_err());
        assert!(reserve("2001:db8:0:1::1").is_ok() && budget.reserve_for_network(None).is_ok());
    }
}
