package post;

public final class Post implements shop.Delivery {
  @Override public String name() { return "post"; }

  @Override public int cents(int grams) { return grams <= 500 ? 285 : 450; }
}
