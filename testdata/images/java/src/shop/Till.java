package shop;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/** A server of its own behind TLS, on the loopback. */
final class Till {
  private final HttpsServer server;

  Till() throws Exception {
    char[] password = "changeit".toCharArray();
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(Path.of("/etc/shop/tls/till.p12"))) {
      keys.load(in, password);
    }
    KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    managers.init(keys, password);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(managers.getKeyManagers(), null, null);
    server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setHttpsConfigurator(new HttpsConfigurator(context));
    server.createContext("/", ex -> Shop.answer(ex, 200, "application/json", "4711".getBytes()));
    server.start();
  }

  /** Asks as anyone would who trusts what the system trusts. */
  String balance(String host) throws Exception {
    var c = (HttpsURLConnection) new URL("https", host, server.getAddress().getPort(), "/").openConnection();
    try (InputStream in = c.getInputStream()) {
      return new String(in.readAllBytes()) + " " + c.getCipherSuite();
    }
  }
}
