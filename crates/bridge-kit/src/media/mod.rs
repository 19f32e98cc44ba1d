//! Runs media engines on threads of their own.
