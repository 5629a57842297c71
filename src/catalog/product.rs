//! What may be written: valid by construction, since only a checked draft makes one.

use entity::{Amount, Name, Price, ProductId};

use super::{
    Error,
    draft::{Check, Draft, Value},
    error::Fault,
};

/// A product to create.
#[derive(Clone, Debug)]
pub struct NewProduct {
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
        Self::check(None, draft).map_err(Error::Invalid)
    }

    /// Checks an array of drafts; `None` is an item that is no object.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the bad fields of all of them, up to [`MOST_FAULTS`].
    pub fn new_many<'a>(drafts: impl IntoIterator<Item = Option<Draft<'a>>>) -> Result<Vec<Self>, Error> {
        let mut products = Vec::new();
        let mut faults = Vec::new();
        for (index, draft) in drafts.into_iter().enumerate() {
            match draft {
                Some(draft) => match Self::check(Some(index), &draft) {
                    Ok(product) => products.push(product),
                    Err(more) => faults.extend(more),
                },
                None => {
                    faults.push(Fault { index: Some(index), field: "", detail: "must be an object".into() });
                }
            }
            if faults.len() >= MOST_FAULTS {
                break;
            }
        }
        if faults.is_empty() { Ok(products) } else { Err(Error::Invalid(faults)) }
    }

    fn check(index: Option<usize>, draft: &Draft) -> Result<Self, Vec<Fault>> {
        let mut check = Check::new(index);
        // As the service before: an id of null is an id not given.
        let id = if draft.id == Value::Null { None } else { check.optional("id", &draft.id) };
        let name = check.required("name", &draft.name);
        let price = check.required("price", &draft.price);
        let amount = check.required("amount", &draft.amount);
        match (name, price, amount) {
            (Some(name), Some(price), Some(amount)) if check.faults.is_empty() => {
                Ok(Self { id, name, price, amount })
            }
            _ => Err(check.faults),
        }
    }
}

/// The most faults that one answer lists.
pub const MOST_FAULTS: usize = 100;

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
        let mut check = Check::new(None);
        if draft.id != Value::Null
            && check.optional::<ProductId>("id", &draft.id).is_some_and(|sent| sent != id)
        {
            check.fault("id", "must be the id in the path, or be left out");
        }
        let name = check.required("name", &draft.name);
        let price = check.required("price", &draft.price);
        let amount = check.required("amount", &draft.amount);
        if check.faults.is_empty() {
            Ok(Self { name, price, amount })
        } else {
            Err(Error::Invalid(check.faults))
        }
    }

    /// A change of the fields that the draft has.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every bad field.
    pub fn partial(draft: &Draft) -> Result<Self, Error> {
        let mut check = Check::new(None);
        let name = check.optional("name", &draft.name);
        let price = check.optional("price", &draft.price);
        let amount = check.optional("amount", &draft.amount);
        if check.faults.is_empty() {
            Ok(Self { name, price, amount })
        } else {
            Err(Error::Invalid(check.faults))
        }
    }
}
