package claviger.interop;

import static org.eclipse.leshan.core.LwM2mId.DEVICE;
import static org.eclipse.leshan.core.LwM2mId.SECURITY;
import static org.eclipse.leshan.core.LwM2mId.SERVER;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.engine.DefaultRegistrationEngineFactory;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.resource.LwM2mObjectEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientProtocolProvider;

/**
 * An LwM2M device that holds a bootstrap account, bootstraps over coaps, and registers with the LwM2M server that the
 * bootstrap wrote.
 *
 * <pre>
 * Device --server coaps://HOST:PORT --endpoint NAME
 *        --identity ID --key HEX                                     with a pre-shared key, or
 *        --mode rpk --public HEX --private HEX --server-public HEX   with raw public keys, or
 *        --mode x509 --public HEX --private HEX --server-public HEX  with certificates, the server's own one
 *        [--cid N]         length of the connection id it asks to be sent with; 0: only accept the server's;
 *                          absent: no connection ids at all
 *        [--format N]      Content-Format that it asks to be written in (pct); absent: the client's own choice
 *        [--bootstraps N]  registered, it bootstraps again until it has done so N times; default 1
 *        [--timeout N]     seconds for everything; default 30
 * </pre>
 *
 * Each event is one line on stdout, see {@link Progress}. Exit code: 0 registered, 1 refused, 2 out of time.
 */
public final class Device {
    private static final int NO_CONNECTION_ID = -1;
    private static final int CHOSEN_BY_THE_CLIENT = -1;

    private Device() {}

    public static void main(String[] args) throws InterruptedException {
        int code;
        try {
            code = run(new Options(args, System::getenv));
        } catch (IllegalArgumentException | IllegalStateException e) {
            // The client's own word for a server URI that it cannot use is IllegalStateException.
            System.err.println(e.getMessage());
            code = Options.USAGE;
        }
        // Not System.exit: the hooks and threads of the client would hold the process back by seconds.
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    private static int run(Options options) throws InterruptedException {
        int bootstraps = options.number("bootstraps", 1);
        long seconds = options.number("timeout", 30);
        LeshanClient client = client(options);
        Progress progress = new Progress(bootstraps, () -> client.triggerClientInitiatedBootstrap(true));
        client.addObserver(progress);
        client.start();
        return progress.await(seconds, TimeUnit.SECONDS);
    }

    private static LeshanClient client(Options options) {
        CaliforniumClientEndpointsProvider.Builder endpoints =
                new CaliforniumClientEndpointsProvider.Builder(new CoapsClientProtocolProvider());
        Configuration configuration = endpoints.createDefaultConfiguration();
        if (mode(options).equals("psk")) {
            configuration.setAsList(DtlsConfig.DTLS_CIPHER_SUITES, CipherSuite.TLS_PSK_WITH_AES_128_CCM_8);
        } // Else it chooses for itself: the bootstrap brings a pre-shared key, and one list must fit both.
        // Unset, it would be 6.
        configuration.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, options.number("cid", NO_CONNECTION_ID));
        return new LeshanClientBuilder(options.required("endpoint"))
                .setObjects(objects(options))
                .setRegistrationEngineFactory(engine(options))
                .setEndpointsProviders(endpoints.setConfiguration(configuration).build())
                .build();
    }

    private static DefaultRegistrationEngineFactory engine(Options options) {
        DefaultRegistrationEngineFactory engine = new DefaultRegistrationEngineFactory();
        int format = options.number("format", CHOSEN_BY_THE_CLIENT);
        return format == CHOSEN_BY_THE_CLIENT
                ? engine
                : engine.setPreferredContentFormat(ContentFormat.fromCode(format));
    }

    private static List<LwM2mObjectEnabler> objects(Options options) {
        ObjectsInitializer objects = new ObjectsInitializer();
        objects.setInstancesForObject(SECURITY, account(options));
        objects.setClassForObject(SERVER, Server.class);
        objects.setInstancesForObject(
                DEVICE, new org.eclipse.leshan.client.object.Device("Claviger", "interop", "1"));
        return objects.create(SECURITY, SERVER, DEVICE);
    }

    /** The bootstrap account. */
    private static Security account(Options options) {
        String server = options.required("server");
        switch (mode(options)) {
            case "psk":
                byte[] identity = options.required("identity").getBytes(StandardCharsets.UTF_8);
                return Security.pskBootstrap(server, identity, hex(options, "key"));
            case "rpk":
                return Security.rpkBootstrap(
                        server, hex(options, "public"), hex(options, "private"), hex(options, "server-public"));
            case "x509":
                return Security.x509Bootstrap(
                        server, hex(options, "public"), hex(options, "private"), hex(options, "server-public"));
            default:
                throw new IllegalArgumentException("--mode is psk, rpk or x509");
        }
    }

    private static String mode(Options options) {
        return options.optional("mode", "psk");
    }

    private static byte[] hex(Options options, String name) {
        return Hex.parse("--" + name, options.required(name));
    }
}
