package slim

import "github.com/pare-image/pare/layers/pkgdb"

// wholeQueue is the packages of a language that come whole, each once, in the
// order in which they were asked for.
type wholeQueue[T comparable] struct {
	items []whole[T]
	done  map[T]bool
}

// whole is one of them: the package, and why it comes.
type whole[T comparable] struct {
	of     T
	reason Reason
}

func (q *wholeQueue[T]) add(of T, r Reason) {
	if q.done == nil {
		q.done = map[T]bool{}
	}
	if !q.done[of] {
		q.done[of] = true
		q.items = append(q.items, whole[T]{of, r})
	}
}

// next takes the first; false when there is none.
func (q *wholeQueue[T]) next() (whole[T], bool) {
	if len(q.items) == 0 {
		return whole[T]{}, false
	}
	it := q.items[0]
	q.items = q.items[1:]
	return it, true
}

// addOSLibrary keeps what an OS package, and those that it depends on, have of
// a language's library; done are those that were seen to.
func (s *selection) addOSLibrary(pkg *pkgdb.Package, r Reason, done map[*pkgdb.Package]bool, files func(*pkgdb.Package) []string) {
	if done[pkg] {
		return
	}
	deps := s.packages.Depends(pkg, done)
	done[pkg] = true
	s.addPaths(files(pkg), r)
	for _, dep := range deps {
		done[dep] = true
		r.Note = quoted(pkg.ID() + " depends on " + dep.ID())
		s.addPaths(files(dep), r)
	}
}
