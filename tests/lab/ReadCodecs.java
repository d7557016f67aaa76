import java.io.FileInputStream;
import java.io.InputStream;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.apache.hadoop.conf.Configurable;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.io.compress.CompressionCodec;

/**
 * Decompresses files with Hadoop codecs and prints what each found, one line per argument: {@code SHA256 BYTES}, or
 * {@code error: ...}.
 *
 * <p>An argument is {@code CLASS=FILE}. CLASS is a {@code CompressionCodec}, or an {@code InputStream} over another.
 *
 * <p>java -cp '.lab/hadoop/3.3.6/*:.lab/codecs/0.27-lzo/*' tests/lab/ReadCodecs.java CLASS=FILE...
 */
public class ReadCodecs {
    public static void main(String[] arguments) {
        Configuration configuration = new Configuration();
        for (String argument : arguments) {
            int split = argument.indexOf('=');
            System.out.println(read(configuration, argument.substring(0, split), argument.substring(split + 1)));
        }
    }

    private static String read(Configuration configuration, String className, String file) {
        try (InputStream stored = new FileInputStream(file);
                InputStream content = open(configuration, Class.forName(className), stored)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] buffer = new byte[1 << 16];
            long bytes = 0;
            for (int read = content.read(buffer); read >= 0; read = content.read(buffer)) {
                digest.update(buffer, 0, read);
                bytes += read;
            }
            return HexFormat.of().formatHex(digest.digest()) + " " + bytes;
        } catch (Throwable problem) {
            return "error: " + problem;
        }
    }

    private static InputStream open(Configuration configuration, Class<?> reader, InputStream stored) throws Exception {
        if (InputStream.class.isAssignableFrom(reader)) {
            return (InputStream) reader.getConstructor(InputStream.class).newInstance(stored);
        }
        CompressionCodec codec = (CompressionCodec) reader.getDeclaredConstructor().newInstance();
        if (codec instanceof Configurable) {
            ((Configurable) codec).setConf(configuration);
        }
        return codec.createInputStream(stored);
    }
}
