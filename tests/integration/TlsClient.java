// Java's own WebSocket client over TLS: TlsClient CA-FILE URL. Prints what comes, and ends in order
// after the first message that has a sequence number.

import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class TlsClient {
  public static void main(String[] arguments) throws Exception {
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null, null);
    try (FileInputStream file = new FileInputStream(arguments[0])) {
      trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(trusted);
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(null, managers.getTrustManagers(), null);

    CompletableFuture<Void> done = new CompletableFuture<>();
    StringBuilder message = new StringBuilder();
    WebSocket socket = HttpClient.newBuilder().sslContext(tls).build().newWebSocketBuilder()
        .buildAsync(URI.create(arguments[1]), new WebSocket.Listener() {
          @Override
          public CompletionStage<?> onText(WebSocket from, CharSequence part, boolean isLast) {
            message.append(part);
            if (isLast) {
              System.out.println(message);
              if (message.indexOf("\"n\":") >= 0) done.complete(null);
              message.setLength(0);
            }
            from.request(1);
            return null;
          }

          @Override
          public void onError(WebSocket from, Throwable error) {
            done.completeExceptionally(error);
          }
        }).get(60, TimeUnit.SECONDS);
    done.get(60, TimeUnit.SECONDS);
    socket.sendClose(WebSocket.NORMAL_CLOSURE, "").get(60, TimeUnit.SECONDS);
    System.exit(0);
  }
}
