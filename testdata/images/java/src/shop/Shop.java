package shop;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URLConnection;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.logging.Logger;
import java.util.zip.GZIPOutputStream;

/** A shop, for tests. */
public final class Shop {
  /** Answers a question that was asked by GET, with the parameters of its query. */
  interface Answer {
    byte[] to(Map<String, String> query) throws Exception;
  }

  private static final Logger LOG = Logger.getLogger("shop");
  private static final Path STATE = Path.of("/var/lib/shop");

  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(args[1]);
    HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
    server.setExecutor(Executors.newFixedThreadPool(4));
    Map<String, Answer> answers = new TreeMap<>();
    Answers.register(answers);
    answers.forEach((path, answer) -> server.createContext(path, ex -> serve(ex, answer)));
    server.createContext("/static/", ex -> file(ex, Path.of("/app/static")));
    server.createContext("/orders/", Shop::order);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      server.stop(0);
      try {
        ((Runnable) Class.forName("shop.Farewell").getDeclaredConstructor().newInstance()).run();
      } catch (ReflectiveOperationException e) {
        System.out.println(e);
      }
    }));
    server.start();
    LOG.info("open on " + port);
  }

  private static void serve(HttpExchange ex, Answer answer) throws IOException {
    LOG.info(ex.getRequestURI().getPath());
    byte[] body;
    try {
      body = answer.to(query(ex));
    } catch (Throwable e) {
      answer(ex, 500, "text/plain; charset=utf-8", e.toString().getBytes(StandardCharsets.UTF_8));
      return;
    }
    answer(ex, 200, "text/plain; charset=utf-8", body);
  }

  private static Map<String, String> query(HttpExchange ex) {
    Map<String, String> out = new HashMap<>();
    String raw = ex.getRequestURI().getRawQuery();
    for (String pair : raw == null ? new String[0] : raw.split("&")) {
      String[] kv = pair.split("=", 2);
      if (kv.length == 2) {
        out.put(kv[0], URLDecoder.decode(kv[1], StandardCharsets.UTF_8));
      }
    }
    return out;
  }

  static void answer(HttpExchange ex, int code, String type, byte[] body) throws IOException {
    String accept = ex.getRequestHeaders().getFirst("Accept-Encoding");
    if (accept != null && accept.contains("gzip")) {
      var packed = new ByteArrayOutputStream();
      try (var out = new GZIPOutputStream(packed)) {
        out.write(body);
      }
      body = packed.toByteArray();
      ex.getResponseHeaders().set("Content-Encoding", "gzip");
    }
    ex.getResponseHeaders().set("Content-Type", type);
    ex.sendResponseHeaders(code, body.length == 0 ? -1 : body.length);
    ex.getResponseBody().write(body);
    ex.close();
  }

  private static void file(HttpExchange ex, Path root) throws IOException {
    String name = Path.of(ex.getRequestURI().getPath()).getFileName().toString();
    String type = URLConnection.guessContentTypeFromName(name);
    try {
      answer(ex, 200, type == null ? "application/octet-stream" : type, Files.readAllBytes(root.resolve(name)));
    } catch (NoSuchFileException e) {
      answer(ex, 404, "text/plain", "no such file".getBytes());
    }
  }

  private static void order(HttpExchange ex) throws IOException {
    Path file = STATE.resolve(ex.getRequestURI().getPath().replaceAll(".*/|[^0-9]", "") + ".order");
    if (ex.getRequestMethod().equals("PUT")) {
      Files.write(file, ex.getRequestBody().readAllBytes());
      answer(ex, 204, "text/plain", new byte[0]);
    } else if (Files.exists(file)) {
      answer(ex, 200, "text/plain", Files.readAllBytes(file));
    } else {
      answer(ex, 404, "text/plain", "no such order".getBytes());
    }
  }
}
