//! What may be written: valid by construction, since only a checked draft makes one.

use entity::{Amount, Name, Price, ProductId};

use super::{
    Error, Location,
    draft::{Draft, Validator, Value},
    error::FieldError,
};

/// A product to create.
#[derive(Clone, Debug)]
pub struct NewProduct {
    /// Where it was in what was sent.
    pub(super) at: Location,
    pub(super) id: Option<ProductId>,
    pub(super) name: Name,
    pub(super) price: Price,
    pub(super) amount: Amount,
}

impl NewProduct {
    /// Checks one draft.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every bad field.
    pub fn new(draft: &Draft) -> Result<Self, Error> {
        Self::check(Location::Root, draft).map_err(Error::Invalid)
    }

    /// Checks a draft whose id is already known; one in the draft must be the same.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every bad field.
    pub fn with_id(id: ProductId, draft: &Draft) -> Result<Self, Error> {
        match ProductChange::replace(id, draft)? {
            ProductChange { name: Some(name), price: Some(price), amount: Some(amount) } => {
                Ok(Self { at: Location::Root, id: Some(id), name, price, amount })
            }
            _ => Err(Error::Internal),
        }
    }

    fn check(at: Location, draft: &Draft) -> Result<Self, Vec<FieldError>> {
        let mut check = Validator::new(at);
        let id = sent_id(&mut check, draft);
        let name = check.required("name", &draft.name);
        let price = check.required("price", &draft.price);
        let amount = check.required("amount", &draft.amount);
        match (name, price, amount) {
            (Some(name), Some(price), Some(amount)) if check.faults.is_empty() => {
                Ok(Self { at, id, name, price, amount })
            }
            _ => Err(check.faults),
        }
    }
}

/// The most faults that one answer lists.
pub(super) const MOST_FAULTS: usize = 100;

/// Checks drafts one by one, so that no more of them is held than what can be stored.
#[derive(Debug, Default)]
pub struct NewProducts {
    products: Vec<NewProduct>,
    faults: Vec<FieldError>,
    count: usize,
}

impl NewProducts {
    /// None so far, with room for so many.
    pub fn with_capacity(products: usize) -> Self {
        Self { products: Vec::with_capacity(products), ..Self::default() }
    }

    /// Checks the next draft of an array; `None` is an item that is no object.
    pub fn push(&mut self, draft: Option<&Draft>) {
        let at = Location::Index(self.count);
        match draft {
            Some(draft) => self.push_at(at, draft),
            None => self.refuse(FieldError { at, field: "", detail: "must be an object".into() }),
        }
    }

    /// Checks the next draft of a file.
    pub fn push_at(&mut self, at: Location, draft: &Draft) {
        self.count += 1;
        if self.faults.len() >= MOST_FAULTS {
            return;
        }
        match NewProduct::check(at, draft) {
            Ok(product) if self.faults.is_empty() => self.products.push(product),
            Ok(_) => {}
            Err(faults) => faults.into_iter().for_each(|fault| self.note(fault)),
        }
    }

    /// Counts a product that can't even be read.
    pub fn refuse(&mut self, fault: FieldError) {
        self.count += 1;
        self.note(fault);
    }

    /// How many there were so far, good or bad.
    pub fn count(&self) -> usize {
        self.count
    }

    fn note(&mut self, fault: FieldError) {
        self.products = Vec::new();
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }

    /// All of them.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the bad fields of all of them, up to a hundred.
    pub fn all(self) -> Result<Vec<NewProduct>, Error> {
        if self.faults.is_empty() { Ok(self.products) } else { Err(Error::Invalid(self.faults)) }
    }
}

/// A change of a product: what is `None` stays.
#[derive(Clone, Debug)]
pub struct ProductChange {
    pub(super) name: Option<Name>,
    pub(super) price: Option<Price>,
    pub(super) amount: Option<Amount>,
}

impl ProductChange {
    /// A change of all fields of the product `id`; an id in the draft must be the same.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every bad field.
    pub fn replace(id: ProductId, draft: &Draft) -> Result<Self, Error> {
        let mut check = Validator::new(Location::Root);
        same_id(&mut check, id, draft);
        let name = check.required("name", &draft.name);
        let price = check.required("price", &draft.price);
        let amount = check.required("amount", &draft.amount);
        check.passed(Self { name, price, amount })
    }

    /// A change of the fields that the draft has; an id in it must be the product's.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every bad field.
    pub fn partial(id: ProductId, draft: &Draft) -> Result<Self, Error> {
        let mut check = Validator::new(Location::Root);
        same_id(&mut check, id, draft);
        let name = check.optional("name", &draft.name);
        let price = check.optional("price", &draft.price);
        let amount = check.optional("amount", &draft.amount);
        check.passed(Self { name, price, amount })
    }
}

/// As the service before: an id of null is an id not given.
fn sent_id(check: &mut Validator, draft: &Draft) -> Option<ProductId> {
    if draft.id == Value::Null { None } else { check.optional("id", &draft.id) }
}

fn same_id(check: &mut Validator, id: ProductId, draft: &Draft) {
    if sent_id(check, draft).is_some_and(|sent| sent != id) {
        check.fault("id", "must be the id in the path, or be left out");
    }
}
