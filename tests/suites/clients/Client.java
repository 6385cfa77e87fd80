import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.MessageDigest;
import java.util.HexFormat;

/**
 * The JDK's HttpClient with its defaults, as a client: over cleartext it asks for an upgrade to h2c with every request.
 * Prints what the exchange gave; judges nothing.
 */
class Client {
    public static void main(String[] arguments) throws Exception {
        String origin = arguments[0], method = arguments[1], path = arguments[2], timeout = arguments[3];
        int size = Integer.parseInt(arguments[4]);
        boolean chunked = arguments[5].equals("chunked");

        byte[] body = new byte[size];
        for (int at = 0; at < size; at++) {
            body[at] = (byte) "0123456789abcdef".charAt(at % 16);
        }
        var publisher = chunked
            ? BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body))
            : size == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body);
        HttpRequest request = HttpRequest.newBuilder(URI.create(origin + path))
            .header("X-Request-Timeout", timeout)
            .method(method, publisher)
            .build();

        long start = System.nanoTime();
        HttpResponse<InputStream> response = HttpClient.newHttpClient().send(request, BodyHandlers.ofInputStream());
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        byte[] part = new byte[65536];
        double first = -1;
        for (int read; (read = response.body().read(part)) >= 0; ) {
            first = first < 0 ? (System.nanoTime() - start) / 1e9 : first;
            digest.update(part, 0, read);
        }
        double last = (System.nanoTime() - start) / 1e9;
        System.out.printf(java.util.Locale.ROOT, "{\"status\": %d, \"body\": \"%s\", \"first\": %.4f, \"last\": %.4f}%n",
            response.statusCode(), HexFormat.of().formatHex(digest.digest()), first, last);
    }
}
