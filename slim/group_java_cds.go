package slim

import "regexp"

// groupJavaCDS is the class data archives of a Java VM: it maps the one that
// fits its heap and collector (JEP 310; filemap.cpp), and the size of the heap
// follows the memory of the machine (classes_nocoops.jsa from 32 GB on).
// Without an archive Java works, and starts later. So only a VM that was seen
// to map one gets the others.
var groupJavaCDS = group{
	name:      "java-cds",
	triggered: func(p string) bool { return javaArchive.MatchString(p) },
	add: func(s *selection, r Reason) {
		for _, dir := range s.homes(javaArchive) {
			for _, e := range s.tree.Children(dir) {
				if javaArchive.MatchString(e.Path) {
					s.put(e, r)
				}
			}
		}
	},
}

// javaArchive matches an archive beside libjvm.so: lib/server/classes.jsa; of
// Java 8, lib/amd64/server/classes.jsa.
var javaArchive = regexp.MustCompile(`^(/.+/(?:server|client|minimal))/classes[a-z_]*\.jsa$`)
