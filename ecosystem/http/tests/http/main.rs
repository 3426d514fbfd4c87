//! HTTP on anyio, on every back end.

mod asking;
mod axum_services;
mod certificate;
mod client;
mod curl;
mod draining;
mod executors;
mod hostile_clients;
mod meeting;
mod serving;
mod time_limits;
mod tls;
mod upgrades;
