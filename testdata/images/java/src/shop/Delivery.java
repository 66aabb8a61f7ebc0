package shop;

/** What a plugin does; found by java.util.ServiceLoader. */
public interface Delivery {
  String name();

  int cents(int grams);
}
