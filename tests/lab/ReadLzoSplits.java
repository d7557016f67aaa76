import com.hadoop.compression.lzo.LzoIndex;
import com.hadoop.mapred.DeprecatedLzoTextInputFormat;
import java.io.BufferedOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.util.Arrays;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.mapred.FileInputFormat;
import org.apache.hadoop.mapred.InputSplit;
import org.apache.hadoop.mapred.JobConf;
import org.apache.hadoop.mapred.RecordReader;
import org.apache.hadoop.mapred.Reporter;

/**
 * Reads a file of {@code lzop} as MapReduce does, in splits by the index beside it. Writes its lines, split after split,
 * to {@code FILE.lines}; prints how many splits there were, and whether the index is the one that LzoIndex makes.
 *
 * <p>java -cp '.lab/hadoop/3.3.6/*:.lab/codecs/0.27-lzo/*' tests/lab/ReadLzoSplits.java FILE SPLITS
 */
public class ReadLzoSplits {
    public static void main(String[] arguments) throws Exception {
        JobConf job = new JobConf();
        job.set("io.compression.codecs", "com.hadoop.compression.lzo.LzopCodec");
        FileInputFormat.addInputPath(job, new Path(arguments[0]));
        DeprecatedLzoTextInputFormat format = new DeprecatedLzoTextInputFormat();
        InputSplit[] splits = format.getSplits(job, Integer.parseInt(arguments[1]));
        java.nio.file.Path lines = java.nio.file.Path.of(arguments[0] + ".lines");
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(lines))) {
            for (InputSplit split : splits) {
                RecordReader<LongWritable, Text> reader = format.getRecordReader(split, job, Reporter.NULL);
                LongWritable key = reader.createKey();
                Text line = reader.createValue();
                while (reader.next(key, line)) {
                    out.write(line.getBytes(), 0, line.getLength());
                    out.write('\n');
                }
                reader.close();
            }
        }
        String index = isThatOfLzoIndex(job, arguments[0]) ? "the index of LzoIndex" : "another index";
        System.out.println(splits.length + " splits, " + index);
    }

    private static boolean isThatOfLzoIndex(JobConf job, String file) throws Exception {
        byte[] found = Files.readAllBytes(java.nio.file.Path.of(file + LzoIndex.LZO_INDEX_SUFFIX));
        java.nio.file.Path copy = java.nio.file.Path.of(file + ".copy.lzo");
        Files.copy(java.nio.file.Path.of(file), copy);
        LzoIndex.createIndex(FileSystem.getLocal(job), new Path(copy.toString()));
        return Arrays.equals(found, Files.readAllBytes(java.nio.file.Path.of(copy + LzoIndex.LZO_INDEX_SUFFIX)));
    }
}
