// Package carry takes a profile from the image that it was recorded on to
// another one: a later build of the same application, or the same for another
// platform.
//
// [Remember] adds to a profile what it must know of its image for that;
// [Carry] makes the profile that would have been recorded on the other image,
// as far as trees, package databases and ELF files can tell, and says what was
// found under another name and what was not found. Nothing is run.
package carry
