#![doc = include_str!("../README.md")]
//! The examples of the README, as tests.
