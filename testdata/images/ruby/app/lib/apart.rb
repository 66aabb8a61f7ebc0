require "matrix"

puts Vector[*ARGV.map(&:to_f)].norm
