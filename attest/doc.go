// Package attest says things about an image in a form that lies beside it:
// OCI artifacts whose subject is the image's manifest (image-spec 1.1,
// "Guidelines for Artifact Usage"). Artifacts are made in memory and read
// from wherever they were stored; how they get there is others' business.
//
// The one kind so far is the recorded profile: [Profile] makes its artifact,
// [ReadProfile] reads one that somebody else may have made.
package attest
