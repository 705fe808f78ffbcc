package workflows

// Change ids, each with the date from which it may be removed, written
// `const changeX = "2026-12-charge-…"`. There are none yet: no released
// workflow has changed.
