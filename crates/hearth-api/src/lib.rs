#![doc = include_str!("../README.md")]

pub mod cli;
pub mod commands;
pub mod dialogue;
pub mod dto;
pub mod error;
pub mod extract;
pub mod handlers;
pub mod in_flight;
pub mod open_store;
pub mod request_context;
pub mod routes;
pub mod settings;
pub mod startup;
pub mod state;
pub mod store;
pub mod telemetry;
