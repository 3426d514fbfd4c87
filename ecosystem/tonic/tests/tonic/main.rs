//! gRPC on anyio, on every back end.

mod back_pressure;
mod calls;
mod cancellation;
mod cancelled_everywhere;
#[path = "../../../http/tests/http/certificate.rs"]
mod certificate;
mod deadlines;
#[allow(missing_docs, unreachable_pub)]
#[path = "../../proto/greeter.rs"]
mod greeter;
mod health;
mod hostile;
mod meeting;
mod python;
mod raw;
mod reflected;
mod tls;
mod trial;
