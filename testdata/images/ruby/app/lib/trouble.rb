class Shop
  class Trouble < StandardError; end
end
