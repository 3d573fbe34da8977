//! The port: the eight requests that keybatch makes, what each answer shows, and what may be assumed after each error.
//!
//! The trait is small enough to fake, and the fake is a product feature (`sandbox`). This file knows no SDK; only
//! [`aws`] and [`credentials`] mention `aws-*`.
//!
//! An `Err` of any method carries an [`ApiError`](crate::domain::ApiError); decisions may depend only on its `class`. Each
//! call is one HTTP request: nothing here retries.

pub mod address;
pub mod aws;
mod capture;
pub mod classify;
pub mod config_error;
pub mod credentials;
mod departure;
mod error_names;
mod hitch;
mod http;
mod limit;
pub mod load;
pub mod proxy;
pub mod service;
mod shapes;
pub mod trust;
mod unreached;
pub mod variables;

use std::future::Future;

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{KeyPair, Operation, Reply};

/// Whose credentials these are, as `sts:GetCallerIdentity` answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The principal's ARN.
    pub arn: String,
    /// The account: twelve digits.
    pub account: String,
}

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct ListingPage<T> {
    /// The items on it.
    pub items: Vec<T>,
    /// The token of the next page; `None` on the last one.
    pub next: Option<String>,
}

/// An instance, reduced to what matters here: the *name* of the key pair that it was created with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// The name of its key pair. It is only a name, so it may mean an earlier incarnation.
    pub ssh_key_name: Option<String>,
    /// When it was created, as [`created_at_text`](crate::domain::created_at_text) writes it.
    pub created_at: Option<String>,
}

/// The part of Amazon Lightsail that keybatch needs. `region` is a region's code.
pub trait Lightsail: Send + Sync + 'static {
    /// Requests the deletion of the key pair of that name. Irreversible, addressed by name alone, without a client token.
    ///
    /// `Ok(Some)`: the operation that the service started; it may not be terminal yet. `Ok(None)`: a success without
    /// an operation, which shows nothing. An error whose class is a refusal before execution: nothing took effect.
    /// Any other error: it may have taken effect, now or a little later.
    fn delete_key_pair(
        &self,
        region: &str,
        name: &str,
        expected_fingerprint: Option<&str>,
    ) -> impl Future<Output = Reply<Option<Operation>>> + Send;

    /// Reads one key pair. An error of class `NotFound` shows that no key pair has that name now; any other error
    /// shows nothing.
    fn get_key_pair(&self, region: &str, name: &str) -> impl Future<Output = Reply<KeyPair>> + Send;

    /// One page of all key pairs, the default one included. An answer without the list is an error, here and below: only
    /// one that holds an empty list says that there are none.
    fn get_key_pairs(
        &self,
        region: &str,
        token: Option<&str>,
    ) -> impl Future<Output = Reply<ListingPage<KeyPair>>> + Send;

    /// Reads one operation. An error shows nothing about the operation.
    fn get_operation(&self, region: &str, id: &str) -> impl Future<Output = Reply<Operation>> + Send;

    /// One page of the operations on a resource of that *name*. Whether the service answers for a deleted key pair is
    /// not documented: an empty page or an error is no evidence.
    fn get_operations_for_resource(
        &self,
        region: &str,
        name: &str,
        token: Option<&str>,
    ) -> impl Future<Output = Reply<ListingPage<Operation>>> + Send;

    /// One page of all instances.
    fn get_instances(
        &self,
        region: &str,
        token: Option<&str>,
    ) -> impl Future<Output = Reply<ListingPage<Instance>>> + Send;

    /// The codes of all regions, in the service's order. `region` is where this is asked; the answer is the same everywhere. One
    /// that names no region is an error.
    fn get_regions(&self, region: &str) -> impl Future<Output = Reply<Vec<String>>> + Send;

    /// The time that the last answer named in its `Date`, and how long ago that answer came; `None` before there was one.
    fn service_date(&self) -> Option<(Timestamp, Duration)> {
        None
    }

    /// When the credentials expire that sign requests now, if they do.
    fn credentials_expiry(&self) -> Option<Timestamp> {
        None
    }

    /// Asks STS whose credentials these are.
    fn caller_identity(&self) -> impl Future<Output = Reply<Caller>> + Send;
}
