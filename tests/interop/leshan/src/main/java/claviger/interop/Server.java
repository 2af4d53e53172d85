package claviger.interop;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Clock;
import java.util.Collection;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.peer.PskIdentity;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.servers.security.InMemorySecurityStore;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coaps.CoapsServerProtocolProvider;

/**
 * An LwM2M device-management server that gets its credentials from Claviger: it takes the webhook
 * ({@link Webhook}), lets the device register over coaps, and reports the use ({@link UseReports}). It keeps
 * everything in memory and runs until it is killed.
 *
 * <pre>
 * Server --secret whsec_BASE64 [--coaps PORT] [--http PORT]      on 127.0.0.1; 0, the default, picks a free port
 * </pre>
 *
 * Each event is one line on stdout:
 *
 * <pre>
 * ready coaps=PORT http=PORT                 first; the webhook is any path of the http port
 * webhook staged ENDPOINT CREDENTIAL         webhook repeated ID
 * webhook refused STATUS REASON              webhook ignored TYPE
 * registered ENDPOINT IDENTITY
 * report CREDENTIAL STATUS                   STATUS: of HTTP, or the name of a failure; a failure is tried again
 * report none IDENTITY                       registered with a key that no webhook brought
 * </pre>
 */
public final class Server {
    private static final int CONNECTION_ID_LENGTH = 6;

    private Server() {}

    public static void main(String[] args) throws IOException {
        try {
            run(new Options(args, System::getenv));
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage());
            System.exit(Options.USAGE);
        }
    }

    private static void run(Options options) throws IOException {
        Signature signature = new Signature(options.required("secret"));
        InetAddress host = InetAddress.getLoopbackAddress();
        Clock clock = Clock.systemUTC();
        InMemorySecurityStore store = new InMemorySecurityStore();
        UseReports reports = new UseReports(signature, clock);

        LeshanServer lwm2m = lwm2m(new InetSocketAddress(host, options.number("coaps", 0)), store);
        lwm2m.getRegistrationService().addListener(new Registrations(reports));
        lwm2m.start();

        HttpServer http = HttpServer.create(new InetSocketAddress(host, options.number("http", 0)), 0);
        http.createContext("/", new Webhook(signature, store, reports, clock));
        http.start();

        int coaps = lwm2m.getEndpoint(Protocol.COAPS).getURI().getPort();
        System.out.println("ready coaps=" + coaps + " http=" + http.getAddress().getPort());
    }

    private static LeshanServer lwm2m(InetSocketAddress address, InMemorySecurityStore store) {
        var endpoints = new CaliforniumServerEndpointsProvider.Builder(new CoapsServerProtocolProvider())
                .setConfiguration(configuration -> {
                    configuration.setAsList(DtlsConfig.DTLS_CIPHER_SUITES, CipherSuite.TLS_PSK_WITH_AES_128_CCM_8);
                    configuration.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, CONNECTION_ID_LENGTH);
                })
                .addEndpoint(address, Protocol.COAPS)
                .build();
        return new LeshanServerBuilder().setSecurityStore(store).setEndpointsProviders(endpoints).build();
    }

    private record Registrations(UseReports reports) implements RegistrationListener {
        @Override
        public void registered(Registration registration, Registration previous, Collection<Observation> observations) {
            // The store holds nothing but pre-shared keys, and coaps is the only endpoint.
            PskIdentity identity = (PskIdentity) registration.getClientTransportData().getIdentity();
            System.out.println("registered " + registration.getEndpoint() + " " + identity.getPskIdentity());
            reports.used(identity.getPskIdentity());
        }

        @Override
        public void updated(RegistrationUpdate update, Registration updated, Registration previous) {}

        @Override
        public void unregistered(
                Registration registration, Collection<Observation> observations, boolean expired, Registration next) {}
    }
}
