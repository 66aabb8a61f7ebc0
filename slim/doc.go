// Package slim turns an image's tree and a recorded profile into a smaller
// image: [Select] computes which paths are kept and why, [NewPlan] decides
// everything else, [Build] obeys.
//
// Nothing is taken but from the image's own layers. Every kept path has
// reasons that lead back to the profile, the image's config or an option.
package slim
