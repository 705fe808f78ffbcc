-- A hold of the sandbox may be captured in parts, and a void gives back what is
-- left of it, so money that was taken and a void no longer exclude each other.
ALTER TABLE sandbox_checkouts DROP CONSTRAINT sandbox_checkouts_check5;
ALTER TABLE sandbox_checkouts
    ADD CONSTRAINT sandbox_captured_is_paid CHECK (captured_minor = 0 OR result = 'success'),
    ADD CONSTRAINT sandbox_void_of_a_rest CHECK (voided_at IS NULL OR captured_minor < amount_minor);
