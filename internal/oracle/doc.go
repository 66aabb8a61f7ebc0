// Package oracle compares layers.Open with umoci, an independent unpacker, on
// random layer stacks and on the directed cases of a merged view. It also
// holds the metamorphic properties of stacks, which need no second opinion.
//
// All of it is tests:
//
//	PARE_ORACLE_STACKS  how many random stacks (default 200, 20 with -short)
//	PARE_ORACLE_SEED    the first stack's seed (default 1); the others count up
//
// A failure names its seed; PARE_ORACLE_SEED=N PARE_ORACLE_STACKS=1 repeats it.
package oracle
