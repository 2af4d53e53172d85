package claviger.interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.elements.AddressEndpointContext;
import org.eclipse.californium.elements.EndpointContext;
import org.eclipse.californium.elements.MessageCallback;
import org.eclipse.californium.elements.RawData;
import org.eclipse.californium.elements.config.CertificateAuthenticationMode;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConfig.DtlsRole;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite;
import org.eclipse.californium.scandium.dtls.pskstore.SinglePskStore;

/**
 * A peer for Claviger's interop tests, on Scandium.
 *
 * <p>It takes its task as words key=value; its keys are files of the working folder. What it reads on standard input
 * it sends, a line each, and what it receives it prints. The line {@code !again} makes a client resume its session
 * with the next line. It ends with its input.
 */
public final class Scandium {
    /** Where the client connects to; of a server, where the newest data came from. */
    private volatile InetSocketAddress peer;

    private final DTLSConnector connector;

    private Scandium(Map<String, String> task) throws IOException, GeneralSecurityException {
        boolean server = task.containsKey("listen");
        DtlsConnectorConfig.Builder config = new DtlsConnectorConfig.Builder(configuration(task, server));
        if (server) {
            config.setAddress(address(task.get("listen")));
        } else {
            peer = address(task.get("connect"));
            config.setAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        }
        String own = server ? "server" : "client";
        String other = server ? "client" : "server";
        switch (task.get("keys")) {
            case "psk" -> config.setPskStore(
                    new SinglePskStore(task.get("identity"), HexFormat.of().parseHex(task.get("psk"))));
            case "rpk" -> {
                config.setCertificateIdentityProvider(Keys.rawPublicKey(own));
                config.setCertificateVerifier(Keys.trustedKey(other));
            }
            default -> {
                config.setCertificateIdentityProvider(Keys.certificate(own));
                config.setCertificateVerifier(Keys.trustedAuthority());
            }
        }
        connector = new DTLSConnector(config.build());
        connector.setRawDataReceiver(this::hear);
    }

    private static Configuration configuration(Map<String, String> task, boolean server) {
        Configuration configuration = new Configuration(DtlsConfig.DEFINITIONS);
        configuration.set(DtlsConfig.DTLS_ROLE, server ? DtlsRole.SERVER_ONLY : DtlsRole.CLIENT_ONLY);
        configuration.set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false);
        configuration.setAsList(DtlsConfig.DTLS_CIPHER_SUITES, CipherSuite.getTypeByName(task.get("suite")));
        configuration.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, Integer.parseInt(task.getOrDefault("cid", "-1")));
        configuration.set(DtlsConfig.DTLS_RETRANSMISSION_TIMEOUT, 1, TimeUnit.SECONDS);
        configuration.set(DtlsConfig.DTLS_RECEIVER_THREAD_COUNT, 1);
        configuration.set(DtlsConfig.DTLS_CONNECTOR_THREAD_COUNT, 1);
        if (server) {
            configuration.set(
                    DtlsConfig.DTLS_CLIENT_AUTHENTICATION_MODE, CertificateAuthenticationMode.NEEDED);
        }
        return configuration;
    }

    private static InetSocketAddress address(String text) {
        int colon = text.lastIndexOf(':');
        return new InetSocketAddress(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
    }

    private void hear(RawData data) {
        peer = data.getInetSocketAddress();
        System.out.println(new String(data.getBytes(), StandardCharsets.UTF_8));
    }

    private void run(boolean server) throws IOException {
        connector.start();
        if (server) {
            System.out.println("listening");
        }
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            if (line.equals("!again")) {
                connector.forceResumeAllSessions();
            } else {
                String host = server ? null : "server.test";
                AddressEndpointContext to = new AddressEndpointContext(peer, host, null);
                byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
                connector.send(RawData.outbound(bytes, to, new Complaints(), false));
            }
        }
        connector.destroy();
    }

    /** Says why a line was not sent. */
    private static final class Complaints implements MessageCallback {
        @Override
        public void onConnecting() {}

        @Override
        public void onDtlsRetransmission(int flight) {}

        @Override
        public void onContextEstablished(EndpointContext context) {}

        @Override
        public void onSent() {}

        @Override
        public void onError(Throwable error) {
            System.err.println("not sent: " + error);
        }
    }

    public static void main(String[] words) throws IOException, GeneralSecurityException {
        if (words.length == 1 && words[0].equals("version")) {
            // The manifest has none; the file's name ends with it.
            System.out.println(DTLSConnector.class.getProtectionDomain().getCodeSource().getLocation());
            return;
        }
        Map<String, String> task = new HashMap<>();
        for (String word : words) {
            String[] parts = word.split("=", 2);
            task.put(parts[0], parts[1]);
        }
        new Scandium(task).run(task.containsKey("listen"));
        System.exit(0);
    }
}
