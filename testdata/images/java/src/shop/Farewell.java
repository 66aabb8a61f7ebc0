package shop;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;

/** Only loaded when the shop closes. */
final class Farewell implements Runnable {
  @Override public void run() {
    try (var out = new GZIPOutputStream(Files.newOutputStream(Path.of("/var/lib/shop/closed.gz")))) {
      out.write("closed".getBytes());
    } catch (java.io.IOException e) {
      System.out.println(e);
      return;
    }
    System.out.println("closed");
  }
}
