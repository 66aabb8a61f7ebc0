require "forwardable"
require "pp"

class Shop
  # What has been bought, on paper.
  class Receipt
    extend Forwardable
    def_delegators :@rows, :sum

    def initialize(rows) = @rows = rows

    def to_s = format("%.2f of %s", sum { |_, cents| cents } / 100.0, @rows.pretty_inspect.strip)
  end
end
