//! Who sends the requests: what variables mean, whose credentials are used and where they come from, and who the operator is. Nothing
//! here reaches AWS: every address is one of this machine.

mod credentials;
mod situations;
mod variables;
