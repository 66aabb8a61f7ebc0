// Package onbase decides how what a slim keeps stands on a base image: which
// files the base has already, whose copy counts where the two differ, what
// cannot be put there, and what the accounts of both sides are together.
//
// The base's layers stay as they are, so nothing of it can be dropped, and a
// file that differs is either the base's or lies above it. Where the base has
// a package in a version that is not older, its files count, so that patches
// of the base arrive; whether they serve is then checked against the merged
// tree. What cannot be decided so is a [Finding] that forbids building.
//
// It works on two trees and writes nothing.
package onbase
