package claviger.interop;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.request.BootstrapRequest;
import org.eclipse.leshan.core.request.RegisterRequest;

/**
 * Follows a client until it has bootstrapped and registered as often as asked, or has failed. One line per event:
 *
 * <pre>
 * bootstrap started          bootstrap succeeded        bootstrap refused CODE REASON    bootstrap timed out
 * registration started URI   registered URI             registration refused CODE REASON registration timed out
 * failed REASON              out of time
 * </pre>
 *
 * CODE is a CoAP response code (4.00), or {@code -} when the peer did not answer with one: a DTLS alert, a handshake
 * without an answer, or a configuration that the client found inconsistent (it answered Finish with 4.06).
 */
final class Progress extends LwM2mClientObserverAdapter {
    private static final int DONE = 0;
    private static final int REFUSED = 1;
    private static final int OUT_OF_TIME = 2;

    private final CompletableFuture<Integer> outcome = new CompletableFuture<>();
    private final Runnable bootstrapAgain;
    private int bootstrapsLeft;

    Progress(int bootstraps, Runnable bootstrapAgain) {
        this.bootstrapsLeft = bootstraps;
        this.bootstrapAgain = bootstrapAgain;
    }

    /** Waits for the end and gives the exit code. */
    int await(long time, TimeUnit unit) throws InterruptedException {
        try {
            return outcome.get(time, unit);
        } catch (TimeoutException e) {
            say("out of time");
            return OUT_OF_TIME;
        } catch (ExecutionException e) {
            throw new AssertionError("the outcome is never completed with an exception", e);
        }
    }

    @Override
    public void onBootstrapStarted(LwM2mServer server, BootstrapRequest request) {
        say("bootstrap started");
    }

    @Override
    public void onBootstrapSuccess(LwM2mServer server, BootstrapRequest request) {
        say("bootstrap succeeded");
    }

    @Override
    public void onBootstrapFailure(
            LwM2mServer server, BootstrapRequest request, ResponseCode code, String message, Exception cause) {
        end("bootstrap refused " + reason(code, message, cause), REFUSED);
    }

    @Override
    public void onBootstrapTimeout(LwM2mServer server, BootstrapRequest request) {
        end("bootstrap timed out", OUT_OF_TIME);
    }

    @Override
    public void onRegistrationStarted(LwM2mServer server, RegisterRequest request) {
        say("registration started " + server.getUri());
    }

    @Override
    public void onRegistrationSuccess(LwM2mServer server, RegisterRequest request, String registration) {
        bootstrapsLeft -= 1;
        if (bootstrapsLeft > 0) {
            say("registered " + server.getUri());
            bootstrapAgain.run();
        } else {
            end("registered " + server.getUri(), DONE);
        }
    }

    @Override
    public void onRegistrationFailure(
            LwM2mServer server, RegisterRequest request, ResponseCode code, String message, Exception cause) {
        end("registration refused " + reason(code, message, cause), REFUSED);
    }

    // Not the end: the client makes a new handshake and registers once more.
    @Override
    public void onRegistrationTimeout(LwM2mServer server, RegisterRequest request) {
        say("registration timed out");
    }

    @Override
    public void onUnexpectedError(Throwable error) {
        end("failed " + oneLine(error.toString()), REFUSED);
    }

    private void end(String line, int code) {
        say(line);
        outcome.complete(code);
    }

    private static String reason(ResponseCode code, String message, Exception cause) {
        String number = code == null ? "-" : "%d.%02d".formatted(code.getCode() / 100, code.getCode() % 100);
        return number + " " + oneLine(cause == null ? String.valueOf(message) : innermost(cause).toString());
    }

    private static Throwable innermost(Throwable error) {
        return error.getCause() == null ? error : innermost(error.getCause());
    }

    private static String oneLine(String text) {
        return text.replaceAll("\\s+", " ");
    }

    private static void say(String line) {
        System.out.println(line);
    }
}
