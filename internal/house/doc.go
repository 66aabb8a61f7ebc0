// Package house holds the rules of the house as tests: which package may
// import which, what a library never does, and what lies at the top of the
// repository. See CONTRIBUTING.md, "Where things go".
package house
