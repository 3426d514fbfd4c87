//! HTTP on anyio, on every back end.

mod asking;
mod axum_services;
mod cancelled_everywhere;
mod certificate;
mod client;
mod curl;
mod draining;
mod executors;
mod files;
mod gathered;
mod hostile_answers;
mod hostile_clients;
mod layers;
mod load;
mod meeting;
mod produced_bodies;
mod resets;
mod server_events;
mod serving;
mod slow_clients;
mod time_limits;
mod tls;
mod upgrades;
mod web_sockets;
