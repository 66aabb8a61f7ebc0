// Package imports finds what source code of Python and of JavaScript imports
// by literal names, without running or fully parsing it: a scanner that knows
// strings, comments and brackets, so that text in a docstring is no import.
// What a program computes at run time cannot be found this way.
package imports

// maxImports bounds the imports of one file; generated indexes of large
// packages have some thousands.
const maxImports = 20_000
