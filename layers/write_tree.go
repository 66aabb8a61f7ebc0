package layers

import "io"

// Outputs lists the tree's entries that keep takes, ready to be written: the
// first path of a hard-link group (by path bytes) carries the content, the
// others link to it. A nil keep takes all. Parents are not added: keep must
// take them. A root that no layer lists is left out.
func (t *Tree) Outputs(keep func(*Entry) bool) []Output {
	var outputs []Output
	first := map[*Inode]string{}
	for e := range t.All() {
		if e.Path == "/" && e.Implied || keep != nil && !keep(e) {
			continue
		}
		outputs = append(outputs, t.output(e, first))
	}
	return outputs
}

func (t *Tree) output(e *Entry, first map[*Inode]string) Output {
	o := Output{Path: e.Path, Header: e.Header}
	if len(e.Paths()) > 1 {
		if to, ok := first[e.Inode]; ok {
			o.LinkTo = to
			return o
		}
		first[e.Inode] = e.Path
	}
	if e.Type == Regular {
		node := e.Inode
		o.Open = func() (io.ReadCloser, error) { return t.OpenContent(node) }
	}
	return o
}
