//! Reproducible cloud-init user-data for one Docker cluster over a SoftEther VPN.
//!
//! Data takes one way through the house, and `ls src` shows it:
//!
//! 1. [`load`] reads texts (through [`yaml`], into the words of [`cluster`], the [`lock`] and the [`secrets`]);
//! 2. [`resolve`] makes every decision for one host, a plan;
//! 3. [`render`] makes bytes of the plan, a tree;
//! 4. [`emit`] puts the tree into a format;
//! 5. [`result`] is what a build of all hosts leaves, and what differs between two of them.
//!
//! These are pure: no clock, locale, network or environment. [`image`], which builds disks with programs of the machine, and
//! [`cli`] alone touch the world. What is wrong anywhere is
//! a [`diagnostic::Diagnostic`].

#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo))]

pub mod cli;
pub mod cluster;
pub mod diagnostic;
pub mod emit;
pub mod image;
pub mod load;
pub mod lock;
pub mod render;
pub mod resolve;
pub mod result;
pub mod secrets;
pub mod yaml;
