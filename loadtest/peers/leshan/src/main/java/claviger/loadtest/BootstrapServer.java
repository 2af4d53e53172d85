package claviger.loadtest;

import java.net.InetAddress;
import java.net.InetSocketAddress;
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
 * BootstrapServer DEVICES [cid]     the devices have the numbers from 0; cid: it takes part in connection ids
 * </pre>
 *
 * It prints {@code ready coaps=PORT} when the devices are known.
 */
public final class BootstrapServer {
    /** As of Californium's own server. */
    private static final int CONNECTION_ID_LENGTH = 6;

    private BootstrapServer() {}

    public static void main(String[] args) throws InvalidConfigurationException {
        Fleet fleet = new Fleet(Integer.parseInt(args[0]));
        boolean cid = args.length > 1 && args[1].equals("cid");
        DtlsConnectorConfig.Builder dtls = new DtlsConnectorConfig.Builder()
                .setRecommendedCipherSuitesOnly(false)
                .setSupportedCipherSuites(CipherSuite.TLS_PSK_WITH_AES_128_CCM_8);
        if (cid) {
            dtls.setConnectionIdGenerator(new SingleNodeConnectionIdGenerator(CONNECTION_ID_LENGTH));
        }
        LeshanBootstrapServerBuilder builder = new LeshanBootstrapServerBuilder();
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
}
