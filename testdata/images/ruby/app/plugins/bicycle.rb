module Delivery
  module Bicycle
    def self.cents(grams) = 300 + grams / 10
  end
end
