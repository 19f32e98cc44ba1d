//! The checks must pass what is good and fail what is not.

use super::*;
