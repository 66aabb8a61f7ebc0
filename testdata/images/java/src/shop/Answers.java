package shop;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.net.InetAddress;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.text.Collator;
import java.text.MessageFormat;
import java.text.NumberFormat;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.time.format.FormatStyle;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.ResourceBundle;
import java.util.ServiceLoader;
import java.util.stream.LongStream;
import java.util.zip.ZipFile;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import javax.xml.transform.stream.StreamSource;

/** What can be asked; each leads into another part of the runtime. */
final class Answers {
  private Answers() {}

  private static byte[] text(Object s) { return s.toString().getBytes(StandardCharsets.UTF_8); }

  static void register(Map<String, Shop.Answer> to) throws Exception {
    Till till = new Till();
    to.put("/balance", q -> text(till.balance(q.get("host"))));
    to.put("/page", q -> {
      try (var in = Answers.class.getResourceAsStream("page.html")) {
        return text(new String(in.readAllBytes(), StandardCharsets.UTF_8).formatted("Zum goldenen Löwen", q.get("text")));
      }
    });
    to.put("/when", q -> text(when(Long.parseLong(q.get("unix")))));
    to.put("/money", q -> text(NumberFormat.getCurrencyInstance(Locale.forLanguageTag(q.get("lang"))).format(1234.5)));
    to.put("/sorted", q -> {
      String[] words = q.get("words").split(" ");
      Arrays.sort(words, Collator.getInstance(Locale.forLanguageTag(q.get("lang"))));
      return text(String.join(" ", words));
    });
    to.put("/greet", q -> text(new MessageFormat(
        ResourceBundle.getBundle("shop.words", Locale.forLanguageTag(q.get("lang"))).getString("greeting")).format(new Object[] {Integer.valueOf(q.get("n"))})));
    to.put("/encode", q -> text(HexFormat.of().formatHex(q.get("text").getBytes(Charset.forName(q.get("to"))))));
    to.put("/digest", q -> text(digest(q.get("word"))));
    to.put("/shell", q -> text(shell(q.get("words"))));
    to.put("/picture", q -> picture(Integer.parseInt(q.get("width"))));
    to.put("/delivery", q -> text(delivery(q.get("by"), Integer.parseInt(q.get("grams")))));
    to.put("/rates", q -> {
      try (var zip = new ZipFile("/app/data/rates.zip"); var in = zip.getInputStream(zip.getEntry("rates.csv"))) {
        return in.readAllBytes();
      }
    });
    to.put("/products", q -> products());
    to.put("/sum", q -> text(LongStream.rangeClosed(1, Long.parseLong(q.get("to"))).parallel().sum()));
    to.put("/log", q -> Files.readAllBytes(Path.of("/var/log/shop/shop0.log")));
    to.put("/me", q -> text(System.getProperty("user.name") + " in " + System.getProperty("user.home")));
    to.put("/resolve", q -> text(InetAddress.getByName(q.get("name")).getHostAddress()));
  }

  private static String when(long unix) {
    Instant at = Instant.ofEpochSecond(unix);
    var german = DateTimeFormatter.ofLocalizedDateTime(FormatStyle.FULL).withLocale(Locale.GERMANY);
    return german.format(at.atZone(ZoneId.of("Europe/Berlin"))) + "\n" + at.atZone(ZoneId.of("America/Caracas")) + "\n";
  }

  private static String digest(String word) throws Exception {
    byte[] sha3 = MessageDigest.getInstance("SHA3-256").digest(text(word));
    byte[] key = SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256")
        .generateSecret(new PBEKeySpec(word.toCharArray(), text("salt"), 1000, 128)).getEncoded();
    return HexFormat.of().formatHex(sha3) + " " + HexFormat.of().formatHex(key);
  }

  private static String shell(String words) throws Exception {
    var b = new ProcessBuilder("/bin/sh", "-c", "printf '%s\\n' $WORDS | sort | tr '\\n' ' '").redirectErrorStream(true);
    b.environment().put("WORDS", words);
    Process p = b.start();
    String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return out.strip() + " " + p.waitFor();
  }

  /** The logo in another size, as JPEG. */
  private static byte[] picture(int width) throws Exception {
    BufferedImage logo = ImageIO.read(new File("/app/static/logo.png"));
    var scaled = new BufferedImage(width, width * logo.getHeight() / logo.getWidth(), BufferedImage.TYPE_INT_RGB);
    var g = scaled.createGraphics();
    g.drawImage(logo, 0, 0, scaled.getWidth(), scaled.getHeight(), null);
    g.dispose();
    var out = new ByteArrayOutputStream();
    if (!ImageIO.write(scaled, "jpg", out)) {
      throw new IllegalStateException("nobody writes JPEG");
    }
    BufferedImage back = ImageIO.read(new ByteArrayInputStream(out.toByteArray()));
    return text(back.getWidth() + "x" + back.getHeight());
  }

  private static String delivery(String by, int grams) throws Exception {
    File[] jars = new File("/app/plugins").listFiles((dir, name) -> name.endsWith(".jar"));
    URL[] urls = new URL[jars.length];
    for (int i = 0; i < jars.length; i++) {
      urls[i] = jars[i].toURI().toURL();
    }
    try (var loader = new URLClassLoader(urls)) {
      for (Delivery d : ServiceLoader.load(Delivery.class, loader)) {
        if (d.name().equals(by)) {
          return String.valueOf(d.cents(grams));
        }
      }
    }
    return "nobody";
  }

  private static byte[] products() throws Exception {
    var f = DocumentBuilderFactory.newInstance();
    f.setValidating(true);
    var b = f.newDocumentBuilder();
    b.setErrorHandler(null);
    var doc = b.parse(new File("/app/data/products.xml"));
    var out = new ByteArrayOutputStream();
    TransformerFactory.newInstance().newTransformer(new StreamSource(new File("/app/data/list.xsl"))).transform(new DOMSource(doc), new StreamResult(out));
    return out.toByteArray();
  }
}
