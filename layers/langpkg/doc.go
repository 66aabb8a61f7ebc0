// Package langpkg reads what package managers of languages leave beside the
// code that they install: which files are of which package, and what it needs
// at run time. Python's distributions (pip and Debian's python3-*), Node's
// packages (npm, pnpm, yarn), Ruby's gems, distributions of CPAN, packages of
// Composer and manifests of jars are read; nothing is written.
//
// All of it comes from an image and is untrusted: sizes and counts are
// bounded, and what cannot be understood is as if it were not there.
package langpkg
