package claviger.loadtest;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.List;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.SingleNodeConnectionIdGenerator;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite;
import org.eclipse.leshan.server.bootstrap.InvalidConfigurationException;
import org.eclipse.leshan.server.californium.bootstrap.LeshanBootstrapServer;
import org.eclipse.leshan.server.californium.bootstrap.LeshanBootstrapServerBuilder;

/**
 * Leshan's bootstrap server on 127.0.0.1 with a fleet of devices in its memory. All but the suite, the connection id and
 * the fleet is as Leshan has it where nothing is said. It runs until it is killed.
 *
 * <pre>
 * BootstrapServer DEVICES [cid] [FOLDER]     the devices have the numbers from 0; cid: it takes part in connection ids
 * </pre>
 *
 * The devices have pre-shared keys; with FOLDER certificates of the authority in authority.der there, and the server is
 * that of server.der with the PKCS#8 key in server.key.
 *
 * It prints {@code ready coaps=PORT} when the devices are known.
 */
public final class BootstrapServer {
    /** As of Californium's own server. */
    private static final int CONNECTION_ID_LENGTH = 6;
    /** Leshan always has a store of pre-shared keys, and Scandium then wants a suite for them. */
    private static final List<CipherSuite> SUITES =
            List.of(CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, CipherSuite.TLS_PSK_WITH_AES_128_CCM_8);

    private BootstrapServer() {}

    public static void main(String[] args)
            throws InvalidConfigurationException, IOException, GeneralSecurityException {
        List<String> options = List.of(args).subList(1, args.length);
        boolean cid = options.contains("cid");
        boolean certificates = options.size() > (cid ? 1 : 0);
        Fleet fleet = new Fleet(Integer.parseInt(args[0]), certificates);
        DtlsConnectorConfig.Builder dtls = new DtlsConnectorConfig.Builder()
                .setRecommendedCipherSuitesOnly(false)
                .setSupportedCipherSuites(certificates ? SUITES : SUITES.subList(1, 2));
        if (cid) {
            dtls.setConnectionIdGenerator(new SingleNodeConnectionIdGenerator(CONNECTION_ID_LENGTH));
        }
        LeshanBootstrapServerBuilder builder = new LeshanBootstrapServerBuilder();
        if (certificates) {
            Path folder = Path.of(options.get(options.size() - 1));
            byte[] key = Files.readAllBytes(folder.resolve("server.key"));
            builder.setPrivateKey(KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(key)))
                    .setCertificateChain(new X509Certificate[] {certificate(folder.resolve("server.der"))})
                    .setTrustedCertificates(new X509Certificate[] {certificate(folder.resolve("authority.der"))});
        }
        // Not the file in the current folder that Leshan would read its settings from, or else write.
        LeshanBootstrapServer server = builder.setCoapConfig(builder.createDefaultNetworkConfig())
                .disableUnsecuredEndpoint()
                .setLocalSecureAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .setDtlsConfig(dtls)
                .setSecurityStore(fleet)
                .setConfigStore(fleet.configurations())
                .build();
        server.start();
        System.out.println("ready coaps=" + server.getSecuredAddress().getPort());
    }

    private static X509Certificate certificate(Path path) throws IOException, GeneralSecurityException {
        try (InputStream stream = Files.newInputStream(path)) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(stream);
        }
    }
}
