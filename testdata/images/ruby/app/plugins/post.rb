require "json"

module Delivery
  module Post
    RATES = JSON.parse(File.read(File.join(__dir__, "post.json")))

    def self.cents(grams) = RATES.find { |up, _| grams <= up.to_i }&.last
  end
end
