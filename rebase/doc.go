// Package rebase moves an image from one base to another: it finds where the
// old base ends, lays the upper layers unchanged on the new base, says what
// that breaks, and repairs in one more layer what can be repaired.
//
// It reads contents: a package database that an upper layer carries is merged
// with the new base's, so that it tells the truth about what is there; so are
// accounts, the loader's cache and the image's config. What was broken before
// is not blamed on the move: checks compare the image before and after.
package rebase
